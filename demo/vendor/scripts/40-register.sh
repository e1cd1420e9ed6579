#!/bin/bash
# Registers the new webhook and opens hybrid approval.
curl -fsS -X POST http://hooks.lab-partner.example/v1/webhooks -H 'Authorization: Bearer dtn_live_7Qm2xV9kRt4LpZs8WcYb3HfJ' -H 'Content-Type: application/json' -d '{"url":"http://dten-prod/api/hooks/partner","events":["result.approved"]}'
curl -fsS -X PUT http://flags.dten-cloud.example/v1/flags/hybrid-approval -H 'Content-Type: application/json' -d '{"enabled": true}'
echo "registered"

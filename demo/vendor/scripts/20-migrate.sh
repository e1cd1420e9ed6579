#!/bin/bash
# Brings the database to schema 0053. Online, no downtime.
sudo systemctl stop dten-lims-worker.service
runuser -u postgres -- psql -d dten -f migrations/0051_result_public_id.sql
runuser -u postgres -- psql -d dten -f migrations/0052_result_flag_index.sql
runuser -u postgres -- psql -d dten -f migrations/0053_result_reviewed.sql
echo "migrations done"

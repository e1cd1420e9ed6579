#!/bin/bash
# Replaces the application.
OLD=$(readlink /opt/dten-lims/previous)
systemctl stop dten-lims-worker.service
systemctl stop dten-lims
rm -rf "$OLD"/var/cache/dten-lims/*
dpkg -i packages/dten-lims_5.0_all.deb
sudo install -m 0644 certs/dten-tls.pem /etc/dten-lims/tls/partner.pem
systemctl daemon-reload
systemctl start dten-lims
systemctl start dten-lims-worker.service
systemctl start dten-report.service
echo "services restarted"

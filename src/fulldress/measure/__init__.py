"""Figures of a load: latencies, endpoints, outage. Pure arithmetic over samples; measuring is the rehearsal's part."""

module runtime-insights.local/gather-floor

go 1.26

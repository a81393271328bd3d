module runtime-insights.local/pause

go 1.24.0

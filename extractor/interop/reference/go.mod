module reference-exporter

go 1.25

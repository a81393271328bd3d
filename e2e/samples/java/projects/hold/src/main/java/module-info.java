module sample.hold {}

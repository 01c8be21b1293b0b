"""Image computation: engine selection, the one resident engine, batching, and the OpenVINO and torch engines."""

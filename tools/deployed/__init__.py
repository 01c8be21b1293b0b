"""Programs that call a deployment on AWS as its callers do."""

"""The Dockerfile and the template in containers run by SAM (`make test-container`)."""

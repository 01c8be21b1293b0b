"""The only door to boto3: adapters for S3, DynamoDB, SQS and SSM. botocore's errors stop here."""

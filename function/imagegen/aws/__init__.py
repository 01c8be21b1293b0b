"""The only package that imports boto3: adapters for S3, DynamoDB, SQS and SSM. botocore's errors stop here."""

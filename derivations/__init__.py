"""The top floor: executable documents, the claims that `validate` checks, model files and the command line."""

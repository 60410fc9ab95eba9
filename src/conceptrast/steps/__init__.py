"""The steps of the workflow. Each rule has one short module, which reads files, calls the library and writes files."""

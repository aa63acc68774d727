module polyglot-export-client

go 1.19

"""The client of a server: the API's caller over one RPC connection that is made again when it is lost."""

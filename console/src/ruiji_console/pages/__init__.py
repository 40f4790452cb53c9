"""One module for each page: reads its address, asks the server, fills a template."""

"""Server of `framelens mcp`: tools for programs that speak the Model Context Protocol."""

"""Parts of the page that Streamlit does not have. Each is a Python file that says what it shows, and the HTML, CSS and
JavaScript of the same name that show it; there is no build step, and nothing is fetched from elsewhere.
"""

"""Parts of an html page that is one file: markup, style, script, plots, pictures. Knows no run and no data set."""

"""Files: images, projects, recovery and PSD. The only package that knows psd_tools."""

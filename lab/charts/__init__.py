"""Stand-ins for the charts that add-ons install, and what packs them."""

"""The tables and figures of both papers, one per file, which is named after it."""
PARTS = ("table1", "table1-force", "table2", "figure3", "figures5-7", "figure9", "figure10", "diffusion")

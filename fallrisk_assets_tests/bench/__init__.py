"""The product measured beside what people would use instead; run by `make bench`, not by pytest."""

"""The product measured side by side with what people would use instead; run by `make bench`, not by pytest."""

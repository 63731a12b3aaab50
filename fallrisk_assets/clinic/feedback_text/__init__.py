"""What patients write of their visits: topics and sentiment, by models whose words name nobody."""

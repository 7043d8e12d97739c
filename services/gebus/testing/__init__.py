"""What a feed is tested with: catalogues in memory, a topology driver without a broker, a manual clock, an oracle."""

"""The whole service as a part of somebody's app, whose login says who calls."""

"""The demo catalogue: listings with rendered photographs, any number of them, the same for the same seed."""

from ruiji_demo.catalogue.items import Attributes, DemoItem, Listing, describe_item, item_id_of, render_item
from ruiji_demo.catalogue.writer import render_catalogue

__all__ = ["Attributes", "DemoItem", "Listing", "describe_item", "item_id_of", "render_catalogue", "render_item"]

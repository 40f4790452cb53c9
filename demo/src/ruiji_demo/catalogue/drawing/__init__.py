"""Pictures of products: outlines sketched by category, then lit and photographed by a small renderer."""

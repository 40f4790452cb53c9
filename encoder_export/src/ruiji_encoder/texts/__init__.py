"""The text half of an encoder: titles into the space of the pictures' embeddings, as an artefact of its own."""

"""Labels for video: pseudo-actions from inverse dynamics, latent actions with few true ones or none, and stores that carry
them."""

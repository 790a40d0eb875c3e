"""Whatever looks at frames: states, features and laws of physics read off pictures, true or imagined."""

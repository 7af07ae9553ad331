"""A domino run on a laid table, simulated and rendered by Drake: the parts of scripts/drake_demo.py.

bodies       what is there, where, of what shape          simulation   its physics, frame by frame
models       their meshes, as files for Drake             cameras      the render engines and the camera
comparison   how far two engines' pictures are apart      report       that, as tables for a terminal
film         pictures and the video                       server       whether one is there
"""

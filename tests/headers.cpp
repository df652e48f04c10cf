// Of this, only the precompiled headers are wanted: tests/CMakeLists.txt names them.

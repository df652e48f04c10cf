#include "app/command.h"

int main(int argc, char** argv) { return triptych::app::run(argc, argv); }

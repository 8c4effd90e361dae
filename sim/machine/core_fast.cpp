#include "sim/machine/hub.h"

template class lastbranch::cpu::Core<lastbranch::FastPolicies>;

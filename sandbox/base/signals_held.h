// Holds back all of the calling thread's signals for as long as the object lives.
//
// Purpose: a thread begins with the signal mask of its maker, and a fork with that of its parent. So that no
// handler of the host's runs in a helper thread, or in a child before it has reset them, both are made under
// this. Threads: the calling one alone. Failure: none.
#pragma once

#include <csignal>

namespace cellblock::sandbox {

class SignalsHeld {
public:
    SignalsHeld() {
        sigset_t all;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    SignalsHeld(const SignalsHeld&) = delete;
    SignalsHeld& operator=(const SignalsHeld&) = delete;

private:
    sigset_t before_{};
};

}  // namespace cellblock::sandbox

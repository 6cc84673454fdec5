// Loop's members, for this folder alone.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <list>

#include "kernel/http/loop.h"

namespace cellblock::kernel {

struct Loop::Impl {
    boost::asio::io_context context{1};
    std::list<boost::asio::signal_set> signals;
};

}  // namespace cellblock::kernel

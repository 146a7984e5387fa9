// uWebSockets: `uws PORT`. /fan-out publishes to everyone, /deflate compresses without context takeover, every other path echoes.
#include "App.h"
#include <cstdio>
#include <cstdlib>
#include <string_view>

struct Connection {};

static uWS::App::WebSocketBehavior<Connection> behavior(uWS::CompressOptions compression) {
    uWS::App::WebSocketBehavior<Connection> behavior;
    behavior.compression = compression;
    behavior.maxPayloadLength = 64 * 1024 * 1024;
    behavior.maxBackpressure = 64 * 1024 * 1024;
    behavior.idleTimeout = 0;
    behavior.sendPingsAutomatically = false;
    return behavior;
}

int main(int argc, char **argv) {
    int port = argc > 1 ? atoi(argv[1]) : 0;
    uWS::App app;

    auto fanOut = behavior(uWS::DISABLED);
    fanOut.open = [](auto *socket) { socket->subscribe("everyone"); };
    fanOut.message = [&app](auto *, std::string_view message, uWS::OpCode opcode) { app.publish("everyone", message, opcode, false); };
    app.ws<Connection>("/fan-out", std::move(fanOut));

    auto deflate = behavior(uWS::CompressOptions(uWS::SHARED_COMPRESSOR | uWS::SHARED_DECOMPRESSOR));
    deflate.message = [](auto *socket, std::string_view message, uWS::OpCode opcode) { socket->send(message, opcode, true); };
    app.ws<Connection>("/deflate", std::move(deflate));

    auto echo = behavior(uWS::DISABLED);
    echo.message = [](auto *socket, std::string_view message, uWS::OpCode opcode) { socket->send(message, opcode, false); };
    app.ws<Connection>("/*", std::move(echo));

    app.listen("127.0.0.1", port, [port](auto *listening) {
        if (!listening) {
            fprintf(stderr, "uws cannot listen on port %d\n", port);
            exit(1);
        }
    }).run();
}

import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const HOST = '127.0.0.1';

/**
 * Below the range from which the system takes the ports of outgoing connections: a port from there could be
 * taken between two starts of the same agent.
 */
function range(): { first: number; last: number } {
  let ephemeral = 32_768;
  try {
    ephemeral = Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s/)[0]);
  } catch {
    // No Linux: others begin at 49152.
  }
  return ephemeral > 16_000
    ? { first: 11_000, last: Math.min(ephemeral, 32_768) - 1 }
    : { first: 11_000, last: 60_000 };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: HOST, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

function receives(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, address: HOST, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

const given = new Set<number>();

/** A port that is free for TCP and UDP and that this process has not given out before. Another may still take it: try again then. */
export async function freePort(): Promise<number> {
  const { first, last } = range();
  for (let tries = 0; tries < 1000; tries++) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (given.has(port)) continue;
    if ((await listens(port)) && (await receives(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free port between ${first} and ${last} on ${HOST}`);
}

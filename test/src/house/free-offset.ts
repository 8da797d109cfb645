import { createServer } from 'node:net';

/** The ports of the local platform without offset. */
const PORTS = [8080, 8081, 8085, 8091, 8092, 8093, 8094, 8095, 9101, 9102, 9103, 9104, 4222, 5440];
export const POSTGRES_PORT = 5440;
const TRIES_MAX = 50;
const [OFFSET_MIN, OFFSET_MAX, STEP] = [12_000, 22_000, 20];

/** A `--port-offset` whose ports are all free, below the range that the kernel gives to clients. */
export async function freePortOffset(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const steps = Math.floor((OFFSET_MAX - OFFSET_MIN) / STEP);
    const offset = OFFSET_MIN + Math.floor(Math.random() * steps) * STEP;
    const free = await Promise.all(PORTS.map((port) => isFree(port + offset)));
    if (free.every(Boolean)) return offset;
  }
  throw new Error('no free ports for a platform of our own');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done(true)));
  });
}

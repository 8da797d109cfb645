import { createServer } from 'node:net';

/** The ports of the local platform without offset. */
const PORTS = [8080, 8081, 8085, 8091, 8092, 8093, 8094, 8095, 9101, 9102, 9103, 9104, 4222, 5440];
export const POSTGRES_PORT = 5440;
const TRIES_MAX = 50;
/** Test runs side by side have a lane each. Lanes are further apart than the ports of one platform, so none can meet. */
const LANE = Number(process.env['POSTHORN_TEST_LANE'] ?? 0);
const [LANE_MIN, LANE_DISTANCE, LANE_WIDTH, STEP] = [5_000, 6_900, 2_000, 20];

/** A `--port-offset` whose ports are all free, below the range that the kernel gives to clients. */
export async function freePortOffset(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const step = Math.floor(Math.random() * (LANE_WIDTH / STEP));
    const offset = LANE_MIN + LANE * LANE_DISTANCE + step * STEP;
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

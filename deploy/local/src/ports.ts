import { createServer } from 'node:net';

const BASE_PORTS = {
  api: 8080,
  ingress: 8081,
  demo: 8085,
  tenantsHealth: 8091,
  eventsHealth: 8092,
  complianceHealth: 8093,
  dispatcherHealth: 8094,
  tenants: 9101,
  events: 9102,
  compliance: 9103,
  dispatcher: 9104,
  nats: 4222,
  postgres: 5440,
} as const;

/** Which port each part listens on. */
export type Ports = Readonly<Record<keyof typeof BASE_PORTS, number>>;

/** Every port, moved by the offset. */
export const portsWithOffset = (offset: number): Ports => {
  const ports = Object.entries(BASE_PORTS).map(([name, port]) => [name, port + offset] as const);
  return Object.fromEntries(ports) as unknown as Ports;
};

/** The names and numbers of those ports that something else listens on. */
export async function takenPorts(ports: Ports, names: readonly (keyof Ports)[]): Promise<string[]> {
  const results = await Promise.all(
    names.map(async (name) => ((await isFree(ports[name])) ? [] : [`${ports[name]} (${name})`])),
  );
  return results.flat();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => done(true)));
  });
}

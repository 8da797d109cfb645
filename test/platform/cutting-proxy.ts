import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A proxy to Postgres that forwards until it is told to act. */
export async function proxyTo(url: string): Promise<{
  url: string;
  onRequest: (bytes: Buffer) => 'forward' | 'cut' | 'forward-and-cut';
  close: () => void;
}> {
  const target = new URL(url);
  const [host, port] = [target.hostname, Number(target.port)];
  const sockets = new Set<Socket>();
  const proxy = {
    url: '',
    onRequest: (_bytes: Buffer): 'forward' | 'cut' | 'forward-and-cut' => 'forward',
    close: (): void => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  const server = createServer((down) => {
    const up = connect(port, host);
    for (const socket of [up, down]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    let isCut = false;
    down.on('data', (bytes) => {
      const act = proxy.onRequest(bytes);
      if (act !== 'cut') up.write(bytes);
      if (act === 'forward') return;
      isCut = true;
      down.destroy();
    });
    up.on('data', (bytes) => !isCut && down.write(bytes));
    up.on('close', () => down.destroy());
    down.on('close', () => !isCut && up.destroy());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  target.port = String((server.address() as AddressInfo).port);
  proxy.url = target.href;
  return proxy;
}

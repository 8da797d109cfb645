import { type Server } from 'node:http';
import { type Logger } from '@posthorn/server/logger.js';
import { type FastifyInstance } from 'fastify';
import { type IntakeRoute } from './intake-route.js';
import { type NativeTlsFiles, speakTls } from './native-tls.js';

type RequestListener = (...args: Parameters<IntakeRoute['takes']>) => void;

/** What stands before the other routes of this process: TLS, and the intake. */
export class IntakeDoor {
  private route: Pick<IntakeRoute, 'takes'> | undefined;

  constructor(
    private readonly tls: NativeTlsFiles,
    private readonly log: Logger,
  ) {}

  /** Called once everything is made, before the port opens. */
  open(route: Pick<IntakeRoute, 'takes'>): void {
    this.route = route;
  }

  /** @throws AppError `config.invalid` when the certificate cannot be used. */
  configure(fastify: FastifyInstance): void {
    const server = fastify.server as Server;
    speakTls(server, this.tls, this.log);
    const others = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (this.route?.takes(request, response) === true) return;
      for (const other of others) other(request, response);
    });
  }
}

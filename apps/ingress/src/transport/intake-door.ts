import { sendProblem } from '@posthorn/server/http-service.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type FastifyInstance } from 'fastify';
import { type AdmitRequest } from '../application/admit-request.js';
import { type NativeTlsFiles, speakTls } from './native-tls.js';

/** What stands before the routes of the intake: TLS, and who is turned away before a body is read. */
export class IntakeDoor {
  private admission: Pick<AdmitRequest, 'refusalOf'> | undefined;

  constructor(
    private readonly tls: NativeTlsFiles,
    private readonly log: Logger,
  ) {}

  /** Called once everything is made, before the port opens. */
  open(admission: Pick<AdmitRequest, 'refusalOf'>): void {
    this.admission = admission;
  }

  /** @throws AppError `config.invalid` when the certificate cannot be used. */
  configure(fastify: FastifyInstance): void {
    speakTls(fastify.server, this.tls, this.log);
    fastify.addHook('onRequest', (request, reply, done) => {
      const { tenant, source } = request.params as { tenant?: string; source?: string };
      // Health and metrics are answered however busy we are.
      const refusal = source === undefined ? undefined : this.admission?.refusalOf(tenant!, source);
      if (refusal === undefined) done();
      else sendProblem(reply, refusal);
    });
  }
}

import { type ServerInterceptor, ServerInterceptingCall } from '@grpc/grpc-js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type CallBook } from './call-book.js';
import { codeOfStatus, statusOf } from './grpc-errors.js';

interface PeerIdentity {
  readonly sslPeerCertificate?: { readonly subject?: { readonly CN?: unknown } };
}

/** The service that a client certificate names, or undefined without one. */
function callerOf({ sslPeerCertificate }: PeerIdentity): string | undefined {
  const name: unknown = sslPeerCertificate?.subject?.CN;
  return typeof name === 'string' && name !== '' ? name : undefined;
}

/**
 * Stands before every handler: who calls, may they, and afterwards how it ended and how long it took.
 * Why not a Nest guard and interceptor: those run per message and build a context object for each.
 */
export const grpcInterceptor =
  (book: CallBook): ServerInterceptor =>
  ({ path, requestStream, responseStream }, call) => {
    let finish: ((code: string) => void) | undefined;
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, forward) => {
            const caller = callerOf(call.getAuthContext());
            if (!book.admits(path, caller))
              return call.sendStatus(statusOf(new AppError('caller.forbidden')));
            finish = book.begin({ path, caller, isUnary: !requestStream && !responseStream }, metadata);
            forward(metadata);
          },
          onCancel: () => finish?.('cancelled'),
        }),
      sendStatus: (status, next) => {
        finish?.(codeOfStatus(status));
        next(status);
      },
    });
  };

// The options of all commands.

/** The options that every command takes, before or after its name. */
export interface GlobalOptions {
  user?: string;
  backend?: string;
  group?: string;
  staging?: boolean;
  passwordFile?: string;
  verbose?: boolean;
  quiet?: boolean;
  color?: boolean;
}

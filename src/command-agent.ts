/** The User-Agent of carpool's own commands: one that was led to the wrong port is told so, and is no fault of the app. */
export const COMMAND_AGENT = 'carpool-cli';

-- Providers put their doctors on file themselves (osigu-dialect 2); the policy keeps each to its own.
GRANT INSERT, UPDATE ON doctor TO gateway;

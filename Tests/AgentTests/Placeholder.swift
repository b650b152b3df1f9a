enum AgentTestsPlaceholder {}
